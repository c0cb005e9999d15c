codeunit 50101 "Syncline Install"
{
    Access = Internal;
    Subtype = Install;
    InherentEntitlements = X;
    InherentPermissions = X;

    trigger OnInstallAppPerCompany()
    var
        StockMarks: Codeunit "Syncline Stock Marks";
    begin
        StockMarks.MakeChangeMark();
        StockMarks.TouchAll();
    end;
}
