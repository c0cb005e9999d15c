/// Where changes stand: every row with a version below this one is committed, so it can be read to without an overlap.
page 50104 "Syncline Change Marks"
{
    PageType = API;
    APIPublisher = 'syncline';
    APIGroup = 'connect';
    APIVersion = 'v1.0';
    EntityName = 'changeMark';
    EntitySetName = 'changeMarks';
    EntityCaption = 'Change Mark';
    EntitySetCaption = 'Change Marks';
    SourceTable = "Syncline Change Mark";
    ODataKeyFields = SystemId;
    DelayedInsert = true;
    InsertAllowed = false;
    ModifyAllowed = false;
    DeleteAllowed = false;
    Editable = false;
    Extensible = false;

    layout
    {
        area(Content)
        {
            repeater(Group)
            {
                field(id; Rec.SystemId) { }
                field(minimumActiveRowVersion; MinimumActive) { }
                field(asOf; AsOf) { }
            }
        }
    }

    trigger OnOpenPage()
    begin
        MinimumActive := Database.MinimumActiveRowVersion();
        AsOf := CurrentDateTime();
    end;

    var
        AsOf: DateTime;
        MinimumActive: BigInteger;
}
